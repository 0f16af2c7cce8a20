// A page opened from a file may start no worker, which the search asks for: it gets a hidden frame that answers alike.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      window.addEventListener("message", (event) => {
        if (event.source !== this.frame.contentWindow) return;
        this.dispatchEvent(new MessageEvent("message", { data: event.data }));
      });
      this.frame.addEventListener("load", () => {
        for (const message of this.waiting) this.frame.contentWindow.postMessage(message, "*");
        this.waiting = null;
      });
      this.frame.srcdoc =
        "<body><script>" +
        // The page may call the frame's own function: what it sends names a target, what the worker answers does not.
        "const send = postMessage;" +
        "postMessage = (message, target) => (target ? send(message, target) : parent.postMessage(message, '*'));" +
        "importScripts = (...addresses) => addresses.reduce((before, address) => before.then(() => new Promise((done, failed) => {" +
        "const script = document.createElement('script');" +
        "script.src = address; script.onload = done; script.onerror = failed; document.body.append(script);" +
        "})), Promise.resolve());" +
        "</script><script src='" + new URL(address, location.href) + "'></script></body>";
      document.body.append(this.frame);
    }

    set onmessage(listener) {
      this.addEventListener("message", listener);
    }

    postMessage(message) {
      if (this.waiting) this.waiting.push(message);
      else this.frame.contentWindow.postMessage(message, "*");
    }

    terminate() {
      this.frame.remove();
    }
  };
}
