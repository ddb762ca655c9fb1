"use strict";

/* The line to Telegram's app: what it hands over, the few events that are needed, its colours.
   Telegram's own script would come from elsewhere, and would keep what it was handed. */

const Bridge = (function () {
  const HOME = "https://web.telegram.org";
  const handed = new URLSearchParams(location.hash.slice(1));
  // Nothing of it stays in the address, in the history or in any storage.
  history.replaceState(null, "", location.pathname + location.search);

  function post(name, data) {
    const proxy = window.TelegramWebviewProxy;
    const message = JSON.stringify({ eventType: name, eventData: data });
    if (proxy && proxy.postEvent) proxy.postEvent(name, JSON.stringify(data));
    else if (window.external && "notify" in window.external) window.external.notify(message);
    else if (window.parent !== window) window.parent.postMessage(message, HOME);
  }

  const listeners = {};
  function receive(name, data) {
    if (listeners[name]) listeners[name](data || {});
  }
  window.Telegram = { WebView: { receiveEvent: receive } };
  window.TelegramGameProxy = { receiveEvent: receive };
  window.TelegramGameProxy_receiveEvent = receive;
  window.addEventListener("message", function (event) {
    if (event.source !== window.parent || event.origin !== HOME) return;
    try {
      const message = JSON.parse(event.data);
      receive(message.eventType, message.eventData);
    } catch (error) {
      // not for us
    }
  });

  /* ---- colours: WCAG's contrast, and our own where Telegram's cannot be read ---- */

  function luminance(colour) {
    const parts = [1, 3, 5].map(function (at) {
      const part = parseInt(colour.slice(at, at + 2), 16) / 255;
      return part <= 0.04045 ? part / 12.92 : Math.pow((part + 0.055) / 1.055, 2.4);
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  }

  function contrast(one, other) {
    const light = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light[0] + 0.05) / (light[1] + 0.05);
  }

  function paint(theme) {
    const root = document.documentElement;
    const given = {};
    for (const name of Object.keys(theme || {})) {
      if (/^#[0-9a-f]{6}$/i.test(theme[name])) given[name] = theme[name];
    }
    root.removeAttribute("style");
    root.removeAttribute("data-scheme");
    if (!given.bg_color) return;
    root.dataset.scheme = luminance(given.bg_color) < 0.18 ? "dark" : "light";
    const styles = getComputedStyle(root);
    const own = {};
    for (const name of ["text", "muted", "line", "button", "on-button", "accent", "error"]) {
      own[name] = styles.getPropertyValue("--" + name).trim();
    }
    if (contrast(given.text_color || own.text, given.bg_color) < 4.5) return; // ours, whole
    const paper = given.bg_color;
    const text = given.text_color || own.text;
    const first = (colours, least) => colours.find((one) => one && contrast(one, paper) >= least) || text;
    const put = (name, colour) => root.style.setProperty("--" + name, colour);
    put("bg", paper);
    put("surface", paper);
    put("text", text);
    put("muted", first([given.hint_color, own.muted], 4.5));
    put("line", first([given.hint_color, own.line], 3));
    put("accent", first([given.link_color, own.accent], 4.5));
    put("error", first([given.destructive_text_color, own.error], 4.5));
    const pairs = [[given.button_color, given.button_text_color], [own.button, own["on-button"]]];
    const pair = pairs.find(
      (one) => one[0] && one[1] && contrast(one[0], one[1]) >= 4.5 && contrast(one[0], paper) >= 3,
    ) || [text, paper];
    put("button", pair[0]);
    put("on-button", pair[1]);
  }

  try {
    paint(JSON.parse(handed.get("tgWebAppThemeParams")));
  } catch (error) {
    // no theme: the device's choice of light or dark counts
  }
  listeners.theme_changed = (data) => paint(data.theme_params);

  return {
    init: handed.get("tgWebAppData") || "",
    begin(back) {
      listeners.back_button_pressed = back;
      if (window.parent !== window) post("iframe_ready", { reload_supported: false });
      post("web_app_ready", null);
      post("web_app_expand", null);
      post("web_app_setup_back_button", { is_visible: true });
    },
    close() {
      post("web_app_close", null);
    },
  };
})();
