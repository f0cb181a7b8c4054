// Makes the phone's page an app that can be installed: its manifest, its icons, and the worker that keeps its own
// files, and nothing else, for when there is no network.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { icon } from "./icons.mjs";

const icons = [
  ["icon-192.png", 192, 0.08, "any"],
  ["icon-512.png", 512, 0.08, "any"],
  ["icon-512-maskable.png", 512, 0.2, "maskable"],
];
const touch = "icon-180.png";

const manifest = {
  name: "Verification 身份认证",
  short_name: "Verification",
  id: "/h",
  start_url: "/h",
  scope: "/h",
  display: "standalone",
  background_color: "#F1F5F3",
  theme_color: "#F1F5F3",
  icons: icons.map(([src, size, , purpose]) => ({ src: `/${src}`, sizes: `${size}x${size}`, type: "image/png", purpose })),
};

/** A Vite plugin. */
export function pwa() {
  return {
    name: "symbolon-pwa",
    apply: "build",
    enforce: "post",
    transformIndexHtml: {
      order: "post",
      handler(_html, { path }) {
        if (path !== "/h.html") return [];
        return [
          { tag: "link", attrs: { rel: "manifest", href: "/phone.webmanifest" }, injectTo: "head" },
          { tag: "link", attrs: { rel: "apple-touch-icon", href: `/${touch}` }, injectTo: "head" },
        ];
      },
    },
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        const emit = (fileName, source) => this.emitFile({ type: "asset", fileName, source });
        for (const [name, size, margin] of icons) emit(name, icon(size, margin));
        emit(touch, icon(180, 0.08));
        emit("phone.webmanifest", JSON.stringify(manifest));

        // The phone's page and everything that it loads at once. What it asks for later, if it does at all, may be large.
        const wanted = new Set();
        const want = (name) => {
          const chunk = bundle[name];
          if (wanted.has(name) || chunk === undefined) return;
          wanted.add(name);
          if (chunk.type !== "chunk") return;
          for (const other of [...chunk.imports, ...(chunk.viteMetadata?.importedCss ?? []), ...(chunk.viteMetadata?.importedAssets ?? [])]) want(other);
        };
        const page = bundle["h.html"];
        if (page === undefined) this.error("there is no h.html to make an app of");
        for (const [, name] of String(page.source).matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)) want(name);
        const files = ["/h", ...[...wanted].map((name) => `/${name}`).sort(), ...icons.map(([name]) => `/${name}`), "/phone.webmanifest"];
        const version = createHash("sha256").update(String(page.source)).update(files.join()).digest("hex").slice(0, 16);
        const worker = readFileSync(new URL("phone/sw.js", import.meta.url), "utf8");
        emit("sw.js", worker.replace("__VERSION__", version).replace('["__FILES__"]', JSON.stringify(files)));
      },
    },
  };
}
