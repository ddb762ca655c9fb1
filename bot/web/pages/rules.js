"use strict";

/* The five rules while one types: flows/questions/password.py, said again for the eye. The server
   decides; tests/flows/passwords.json drives both. */

const Rules = (function () {
  const SPECIALS = "!?@#$(){}[]_&=+-%*<>£µ/.:;";
  const LONGEST = 256;

  function letters(kind, simple) {
    try {
      return new RegExp(kind, "u");
    } catch (error) {
      return simple; // an old browser
    }
  }
  const UPPER = letters("\\p{Lu}", /[A-ZÀ-ÖØ-Þ]/);
  const LOWER = letters("\\p{Ll}", /[a-zß-öø-ÿ]/);

  /* NFC, never NFKC; keyboards give the Greek letter or the sign, the sign counts. */
  function canonical(text) {
    return text.normalize("NFC").replace(/\u03bc/g, "\u00b5");
  }

  function check(text, minimum) {
    const password = canonical(text);
    const chars = Array.from(password); // code points
    const holds = {
      upper: UPPER.test(password),
      lower: LOWER.test(password.replace(/\u00b5/g, "")), // µ is a sign here
      digit: /[0-9]/.test(password),
      special: chars.some((char) => SPECIALS.includes(char)),
      length: chars.length >= minimum,
    };
    const names = Object.keys(holds);
    return {
      met: names.filter((name) => holds[name]),
      missing: names.filter((name) => !holds[name]),
      tooLong: chars.length > LONGEST,
    };
  }

  /* 0 to 4: about how many bits a guesser needs who knows words, rows of keys and repetitions.
     Advice only: it refuses nothing, and the server may know better. */
  const ROWS = ["abcdefghijklmnopqrstuvwxyz", "azertyuiop", "qsdfghjklm", "wxcvbn", "qwertyuiop"]
    .concat(["asdfghjkl", "zxcvbnm", "01234567890"]);

  function follows(before, char) {
    return before === char || ROWS.some((row) => row.includes(before + char) || row.includes(char + before));
  }

  function bitsOf(char, inWord) {
    if (/[0-9]/.test(char)) return 3.3;
    if (/[a-z]/i.test(char)) return inWord ? 2.5 : 4.7;
    return LOWER.test(char) || UPPER.test(char) ? 4 : 5;
  }

  function strength(text) {
    const password = canonical(text).slice(0, LONGEST);
    let bits = 0;
    let before = "";
    const seen = {};
    for (const part of password.match(/[a-zß-öø-ÿ]+|[0-9]+|[^a-zß-öø-ÿ0-9]+/gi) || []) {
      const known = part.toLowerCase();
      const chars = Array.from(part);
      for (const char of chars) {
        const cheap = seen[known] || follows(before.toLowerCase(), char.toLowerCase());
        bits += before && cheap ? 1 : bitsOf(char, chars.length > 3);
        before = char;
      }
      seen[known] = true;
    }
    return [18, 28, 38, 50].filter((enough) => bits >= enough).length;
  }

  return { canonical, check, strength };
})();
