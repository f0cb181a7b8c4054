// Keeps the phone app's own files, so that it opens without a network and says so. Calls, photos and recordings
// never pass here: they are not answered by this worker at all.
const cacheName = "symbolon-phone-__VERSION__";
const files = ["__FILES__"];
const kept = new Set(files);

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(cacheName)
      .then((cache) => cache.addAll(files.map((file) => new Request(file, { cache: "no-cache", credentials: "omit" }))))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name.startsWith("symbolon-phone-") && name !== cacheName).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin || !kept.has(url.pathname)) return;
  if (request.mode === "navigate") {
    // The newest page where there is a network; the kept one tells that there is none.
    event.respondWith(fetch(request).catch(() => caches.match(url.pathname, { cacheName }).then((page) => page ?? Response.error())));
    return;
  }
  // Named after their content: what is kept is what would come.
  event.respondWith(caches.match(url.pathname, { cacheName }).then((file) => file ?? fetch(request)));
});
