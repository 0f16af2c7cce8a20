// Hands on a picture: mouse, touch, wheel and keys become changes of a viewport.

const STEP = 0.02;

// `wants.drag` is "window" or "pan"; `wants.activate()` is called when a hand lies on the picture.
export function handle(viewport, wants) {
  const { canvas } = viewport;
  const pointers = new Map();
  const pixels = ({ clientX, clientY }) => {
    const frame = canvas.getBoundingClientRect();
    const scale = canvas.width / frame.width;
    return { x: (clientX - frame.left) * scale, y: (clientY - frame.top) * scale };
  };

  canvas.addEventListener("pointerdown", (event) => {
    wants.activate();
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { ...pixels(event), second: event.button === 2 || event.button === 1 });
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = { ...pixels(event), second: before.second };
    if (pointers.size === 2) pinch(viewport, pointers, event.pointerId, now);
    else drag(viewport, before, now, now.second || event.shiftKey ? "pan" : wants.drag());
    pointers.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => viewport.change({ zoom: 1 }));
  canvas.addEventListener("focus", () => wants.activate());
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      wants.activate();
      viewport.zoomBy(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0015)), pixels(event));
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    const act = KEYS[(event.shiftKey && event.key.startsWith("Arrow") ? "Shift " : "") + event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act(viewport, wants);
  });
}

function drag(viewport, before, now, what) {
  const right = now.x - before.x;
  const down = now.y - before.y;
  if (what === "pan") viewport.panBy(right, down);
  else viewport.windowBy(down / viewport.canvas.height, (2 * right) / viewport.canvas.width);
}

function pinch(viewport, pointers, moved, now) {
  const [other] = [...pointers].filter(([id]) => id !== moved).map(([, place]) => place);
  const before = pointers.get(moved);
  const apart = (one) => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
  viewport.zoomBy(apart(now) / apart(before), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
  viewport.panBy((now.x - before.x) / 2, (now.y - before.y) / 2);
}

const panKey = (right, down) => (viewport) =>
  viewport.panBy(right * 0.1 * viewport.canvas.width, down * 0.1 * viewport.canvas.height);
const zoomKey = (factor) => (viewport) => viewport.zoomBy(factor);
const windowKey = (level, width) => (viewport) => viewport.windowBy(level, width);

const KEYS = {
  ArrowLeft: panKey(1, 0),
  ArrowRight: panKey(-1, 0),
  ArrowUp: panKey(0, 1),
  ArrowDown: panKey(0, -1),
  "Shift ArrowUp": windowKey(-STEP, 0),
  "Shift ArrowDown": windowKey(STEP, 0),
  "Shift ArrowLeft": windowKey(0, -2 * STEP),
  "Shift ArrowRight": windowKey(0, 2 * STEP),
  "+": zoomKey(1.25),
  "=": zoomKey(1.25),
  "-": zoomKey(0.8),
  0: (viewport) => viewport.change({ zoom: 1 }),
  i: (viewport) => viewport.change({ inverted: !viewport.state.inverted }),
  r: (viewport) => viewport.reset(),
  s: (_, wants) => wants.synchronise(),
};
