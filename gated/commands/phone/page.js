// Shows the code, a new one every half minute. Nothing is fetched, sent or stored.

const LOOK_EVERY_MS = 250;
const QUIET_ZONE_MODULES = 4; // ISO/IEC 18004 §5.3.8
const CLOCK_TOLERANCE_S = 300; // before it was made this page cannot be looked at
const card = JSON.parse(document.getElementById("pass").textContent);
const key = bytesOfHex(card.key);
const picture = document.getElementById("code");
let madeS = null;

function draw(text) {
  const code = qrcode(0, "M");
  code.addData(text, "Alphanumeric");
  code.make();
  const count = code.getModuleCount();
  let path = "";
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      if (code.isDark(row, column)) path += `M${column} ${row}h1v1h-1z`;
    }
  }
  const side = count + 2 * QUIET_ZONE_MODULES;
  const start = -QUIET_ZONE_MODULES;
  picture.setAttribute("viewBox", `${start} ${start} ${side} ${side}`);
  picture.querySelector("path").setAttribute("d", path);
  fit(side);
}

// Whole pixels for each module: a camera sees edges, not shades of grey.
function fit(side) {
  const scale = window.devicePixelRatio || 1;
  const room = Math.min(document.documentElement.clientWidth, window.innerHeight * 0.62);
  const pixels = Math.max(1, Math.floor((room * scale) / side)) * side;
  picture.style.width = `${pixels / scale}px`;
  picture.style.height = `${pixels / scale}px`;
}

function stateAt(nowS) {
  if (nowS < card.made_s - CLOCK_TOLERANCE_S) return "clock";
  if (nowS < card.from_s) return "early";
  return nowS < card.until_s ? "good" : "over";
}

function look() {
  const nowS = Math.floor(Date.now() / 1000);
  const isOld = madeS === null || nowS - madeS >= card.every_s;
  if (isOld || nowS < madeS) { // before it: somebody has set the clock back
    madeS = nowS;
    draw(codeText(card.text, key, nowS));
  }
  const left = card.every_s - (nowS - madeS);
  document.getElementById("left").value = left;
  for (const place of document.querySelectorAll(".seconds")) place.textContent = left;
  const time = new Date(nowS * 1000).toTimeString().slice(0, 8);
  document.getElementById("time").textContent = time;
  const state = stateAt(nowS);
  if (document.body.dataset.state !== state) document.body.dataset.state = state;
}

// Where the browser can: elsewhere the holder touches the screen now and then.
function keepAwake() {
  if (!("wakeLock" in navigator) || document.visibilityState !== "visible") return;
  navigator.wakeLock.request("screen").catch(() => {});
}

document.addEventListener("visibilitychange", () => {
  look(); // a page in the background sleeps; its code may be old by now
  keepAwake();
});
window.addEventListener("resize", () => {
  const side = picture.viewBox.baseVal.width;
  if (side) fit(side);
});
setInterval(look, LOOK_EVERY_MS);
look();
keepAwake();
