// An operator's centre for the tests: it knows one account, and does what it is told on its input.
const smpp = require("smpp");
const readline = require("readline");

const verdicts = [];
let session = null;
let count = 0;
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

const server = smpp.createServer((connected) => {
  connected.on("error", () => {});
  connected.on("bind_transceiver", (pdu) => {
    if (pdu.system_id !== "sesame" || pdu.password !== "centre") {
      connected.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
      connected.close();
      return;
    }
    session = connected;
    connected.send(pdu.response());
    say({ event: "bound" });
  });
  connected.on("submit_sm", (pdu) => {
    const name = "b-" + count++;
    const status = verdicts.shift() || 0;
    connected.send(pdu.response({ command_status: status, message_id: status ? "" : name }));
    say({
      event: status ? "refused" : "accepted",
      name,
      to: pdu.destination_addr,
      from: pdu.source_addr,
      text: pdu.short_message.message,
      validity: String(pdu.validity_period && pdu.validity_period.toISOString
        ? pdu.validity_period.toISOString() : pdu.validity_period),
    });
  });
  connected.on("enquire_link", (pdu) => connected.send(pdu.response()));
  connected.on("unbind", (pdu) => { connected.send(pdu.response()); connected.close(); });
});
server.on("error", () => {});
server.listen(Number(process.argv[2]), "127.0.0.1", () => process.stdout.write("ready\n"));

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const told = JSON.parse(line);
  if (told.verdicts) verdicts.push(...told.verdicts);
  if (told.cut && session) session.destroy ? session.destroy() : session.close();
  if (told.report) session.deliver_sm({
    esm_class: 4, source_addr: told.source, destination_addr: told.to, short_message: told.report,
  });
});
