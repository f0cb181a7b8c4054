/** Codes as they arrive: in the address's fragment, typed, or pasted. */

/** Reads the code out of a fragment ("#c=…"), or null. */
export function codeInFragment(hash: string): string | null {
  const code = new URLSearchParams(hash.replace(/^#/, "")).get("c");
  return code !== null && /^[\w.~-]{4,256}$/.test(code) ? code : null;
}

/**
 * Makes a text code out of what was typed: capitals, no spaces or dashes, full-width characters and
 * the usual mistakes (O for 0, I or L for 1, U for V) put right. At most eight characters are kept; others are dropped.
 */
export function typedCode(text: string): string {
  return text
    .normalize("NFKC")
    .toUpperCase()
    .replace(/O/g, "0")
    .replace(/[IL]/g, "1")
    .replace(/U/g, "V")
    .replace(/[^0-9A-HJKMNP-TV-Z]/g, "")
    .slice(0, 8);
}

/** The code in what was typed or pasted: a whole link counts too. Null while it is not complete. */
export function enteredCode(text: string): string | null {
  const link = /#(c=[^\s]+)/.exec(text);
  if (link !== null) return codeInFragment(link[1]!);
  const code = typedCode(text);
  return code.length === 8 ? grouped(code) : null;
}

/** Two groups of four, as the desk shows it. */
export function grouped(code: string): string {
  return code.length > 4 ? `${code.slice(0, 4)}-${code.slice(4)}` : code;
}

/** The two digits of the number, from whatever a keyboard or paste gave. */
export function typedDigits(text: string): string {
  return text.normalize("NFKC").replace(/\D/g, "").slice(0, 2);
}
