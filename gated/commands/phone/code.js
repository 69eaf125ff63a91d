// The text of the code: docs/changing-passes.md. gated/credentials/changing.py checks it.

const MAC_DOMAIN = "gated changing 1";
const MAC_BYTES = 8;

function hexOf(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("").toUpperCase();
}

function bytesOfHex(text) {
  return Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
}

function codeText(card, key, madeS) {
  const time = new DataView(new ArrayBuffer(4));
  time.setUint32(0, madeS);
  const timeBytes = new Uint8Array(time.buffer);
  const domain = Uint8Array.from(MAC_DOMAIN, (character) => character.charCodeAt(0));
  const mac = hmacSha256(key, joined(domain, timeBytes)).slice(0, MAC_BYTES);
  return "GP1T:" + hexOf(timeBytes) + hexOf(mac) + card;
}
