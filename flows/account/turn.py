"""What the rows about accounts look at (`provided`) and do (`then`)."""

from flows.turn import Turn


class AccountTurn(Turn):
    """The model that the state machine moves, with all that the second table names."""

    def by_letter(self) -> bool:
        """To come."""
        return False

    def settled_for_phone(self) -> bool:
        """To come."""
        return False

    def first_for_phone(self) -> bool:
        """To come."""
        return False

    def gives_phone(self) -> bool:
        """To come."""
        return False

    def signed_in(self) -> bool:
        """To come."""
        return False

    def asked_which(self) -> bool:
        """To come."""
        return False

    def about_account(self) -> bool:
        """To come."""
        return False

    def matched(self) -> bool:
        """To come."""
        return False

    def without_child(self) -> bool:
        """To come."""
        return False

    def for_password(self) -> bool:
        """To come."""
        return False

    def for_account(self) -> bool:
        """To come."""
        return False

    def password_refused(self) -> bool:
        """To come."""
        return False

    def from_done(self) -> bool:
        """To come."""
        return False

    def from_manage(self) -> bool:
        """To come."""
        return False

    def mail_works(self) -> bool:
        """To come."""
        return False

    def code_sent(self) -> bool:
        """To come."""
        return False

    def has_children(self) -> bool:
        """To come."""
        return False

    def for_new_child(self) -> bool:
        """To come."""
        return False

    def child_refused(self) -> bool:
        """To come."""
        return False

    def signed_in_as(self) -> bool:
        """To come."""
        return False

    def begin_by_letter(self) -> None:
        """To come."""
        self.ask()

    def check_letter(self) -> None:
        """To come."""
        self.ask()

    def say_wrong_letter(self) -> None:
        """To come."""
        self.ask()

    def first_child_for_phone(self) -> None:
        """To come."""
        self.ask()

    def change_phone(self) -> None:
        """To come."""
        self.ask()

    def say_other_number(self) -> None:
        """To come."""
        self.ask()

    def read_account(self) -> None:
        """To come."""
        self.ask()

    def say_tied(self) -> None:
        """To come."""
        self.ask()

    def ask_one_child(self) -> None:
        """To come."""
        self.ask()

    def set_password(self) -> None:
        """To come."""
        self.ask()

    def say_password_set(self) -> None:
        """To come."""
        self.ask()

    def say_unchanged(self) -> None:
        """To come."""
        self.ask()

    def freeze_account(self) -> None:
        """To come."""
        self.ask()

    def list_services(self) -> None:
        """To come."""
        self.ask()

    def leave(self) -> None:
        """To come."""
        self.ask()

    def leave_phone(self) -> None:
        """To come."""
        self.ask()

    def read_changed_account(self) -> None:
        """To come."""
        self.ask()

    def say_phone_changed(self) -> None:
        """To come."""
        self.ask()

    def tell_school_phone(self) -> None:
        """To come."""
        self.ask()

    def say_no_mail(self) -> None:
        """To come."""
        self.ask()

    def request_email_code(self) -> None:
        """To come."""
        self.ask()

    def check_email_code(self) -> None:
        """To come."""
        self.ask()

    def say_email_failed(self) -> None:
        """To come."""
        self.ask()

    def change_email(self) -> None:
        """To come."""
        self.ask()

    def say_changed(self) -> None:
        """To come."""
        self.ask()

    def ask_which_child(self) -> None:
        """To come."""
        self.ask()

    def say_no_children(self) -> None:
        """To come."""
        self.ask()

    def find_child(self) -> None:
        """To come."""
        self.ask()

    def ask_new_child(self) -> None:
        """To come."""
        self.ask()

    def say_child_on_account(self) -> None:
        """To come."""
        self.ask()

    def say_child_not_found(self) -> None:
        """To come."""
        self.ask()

    def drop_new_child(self) -> None:
        """To come."""
        self.ask()

    def add_child(self) -> None:
        """To come."""
        self.ask()

    def put_new_child_aside(self) -> None:
        """To come."""
        self.ask()

    def drop_child(self) -> None:
        """To come."""
        self.ask()

    def say_child_dropped(self) -> None:
        """To come."""
        self.ask()

    def list_sign_ins(self) -> None:
        """To come."""
        self.ask()

    def say_sign_ins(self) -> None:
        """To come."""
        self.ask()

    def sign_out_others(self) -> None:
        """To come."""
        self.ask()

    def gather_data(self) -> None:
        """To come."""
        self.ask()

    def say_data(self) -> None:
        """To come."""
        self.ask()

    def erase_account(self) -> None:
        """To come."""
        self.ask()

    def say_account_erased(self) -> None:
        """To come."""
        self.ask()

    def close_account(self) -> None:
        """To come."""
        self.ask()

    def reopen_account(self) -> None:
        """To come."""
        self.ask()

    def say_privacy(self) -> None:
        """To come."""
        self.ask()

    def remind(self) -> None:
        """To come."""
        self.ask()

    def mute(self) -> None:
        """To come."""
        self.ask()

    def say_notice(self) -> None:
        """To come."""
        self.ask()

    def object(self) -> None:
        """To come."""
        self.ask()

    def say_not_object(self) -> None:
        """To come."""
        self.ask()

    def say_objected(self) -> None:
        """To come."""
        self.ask()

    def say_not_objected(self) -> None:
        """To come."""
        self.ask()

    def say_signed_out(self) -> None:
        """To come."""
        self.ask()

    def say_thawed(self) -> None:
        """To come."""
        self.ask()
