/** Lets the page open without a network, where the browser can. Nothing waits for it. */
export function keepFiles(): void {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  addEventListener("load", () => {
    // Refused where a certificate is not trusted, and in private windows: the page works all the same.
    navigator.serviceWorker.register("/sw.js", { scope: "/h" }).catch(() => undefined);
  });
}
