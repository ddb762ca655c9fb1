// The page works without this. With it nothing is loaded anew: forms are sent in the background,
// and what has changed takes the place of what was shown.

const EVERY = 1000; // milliseconds between two looks for what is new
const shown = new Map(); // name of a part: as the server wrote it
let busy = false;

for (const part of document.querySelectorAll("[data-part]")) shown.set(part.id, part.outerHTML);
ready(document);

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (busy) return;
  busy = true;
  try {
    const form = new URLSearchParams(new FormData(event.target));
    if (event.submitter?.name) form.append(event.submitter.name, event.submitter.value);
    await show(await fetch("/", { method: "POST", body: form }), true);
  } catch {
    gone();
  } finally {
    busy = false;
  }
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  const exact = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(exact.textContent);
    button.textContent = button.dataset.done;
    tell(button.dataset.done);
  } catch {
    getSelection().selectAllChildren(exact); // not allowed here: it is ready to be copied by hand
  }
});

setInterval(async () => {
  if (busy || document.hidden) return;
  try {
    const seen = document.documentElement.dataset.version;
    const answer = await fetch(`/?seen=${seen}`);
    if (answer.status !== 204 && !busy) await show(answer, false);
    else tell("");
  } catch {
    gone();
  }
}, EVERY);

async function show(answer, ours) {
  if (!answer.ok) return gone();
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  const root = next.documentElement;
  Object.assign(document.documentElement.dataset, root.dataset);
  document.documentElement.lang = root.lang;
  document.title = next.title;
  for (const part of next.querySelectorAll("[data-part]")) {
    const written = part.outerHTML;
    if (shown.get(part.id) === written) continue;
    shown.set(part.id, written);
    const here = document.getElementById(part.id);
    const list = part.parentElement.id;
    if (!here) {
      part.classList.add("new");
      document.getElementById(list).append(part);
    } else if (part.id === "answer") {
      answered(here, part, ours);
    } else {
      here.replaceWith(part);
    }
    ready(part);
    if (!here) turnTo(part);
  }
  tell("");
}

// What is longer than the screen is read from its beginning: the identifier stands there.
function turnTo(part) {
  const log = part.closest(".log");
  if (!log) return;
  log.scrollTop = 0; // of a column that begins at its end
  if (part.offsetHeight > log.clientHeight) {
    log.scrollTop += part.getBoundingClientRect().top - log.getBoundingClientRect().top;
  }
}

// The field is a new one. What is being typed stays, unless it was just sent.
function answered(here, part, ours) {
  const before = here.querySelector("#field");
  const after = part.querySelector("#field");
  const lost = here.contains(document.activeElement) || document.activeElement === document.body;
  if (!ours && before.name === after.name) after.value = before.value;
  before.value = "";
  here.replaceWith(part);
  if (ours || lost) after.focus();
}

function ready(part) {
  for (const button of part.querySelectorAll(".copy")) button.hidden = false;
}

function gone() {
  tell(document.documentElement.dataset.gone);
}

function tell(text) {
  const status = document.getElementById("status");
  if (status.textContent !== text) status.textContent = text;
}
