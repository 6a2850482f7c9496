// Text as UTF-8, also in engines without TextEncoder.
//
// Owns both directions. Must not know media types.

/** Returns a text as bytes of UTF-8. A lone surrogate becomes U+FFFD. */
export const encode =
  typeof TextEncoder === 'function'
    ? (text) => new TextEncoder().encode(text)
    : (text) => {
        const bytes = [];
        for (const character of text) {
          let code = character.codePointAt(0);
          if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
          if (code < 0x80) bytes.push(code);
          else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
          else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
          else {
            bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63));
            bytes.push(0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
          }
        }
        return Uint8Array.from(bytes);
      };

/** Returns bytes of UTF-8 as a text. Bytes that are not UTF-8 become U+FFFD. */
export const decode =
  typeof TextDecoder === 'function'
    ? (bytes) => new TextDecoder().decode(bytes)
    : (bytes) => {
        const parts = [];
        // A call takes a limited number of arguments.
        for (let at = 0; at < bytes.length; ) {
          const end = Math.min(at + 4096, bytes.length);
          const codes = [];
          while (at < end) {
            const [code, length] = point(bytes, at);
            codes.push(code);
            at += length;
          }
          parts.push(String.fromCodePoint(...codes));
        }
        return parts.join('');
      };

/** Returns the code point that starts at the index `at` of UTF-8 bytes, and its number of bytes. */
function point(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return [first, 1];
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return [0xfffd, 1];
  let code = first & (0x7f >> length);
  for (let index = 1; index < length; index += 1) {
    const byte = bytes[at + index];
    if ((byte & 0xc0) !== 0x80) return [0xfffd, index];
    code = (code << 6) | (byte & 63);
  }
  const least = [0, 0, 0x80, 0x800, 0x10000][length];
  const isWrong = code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff);
  return isWrong ? [0xfffd, 1] : [code, length];
}
