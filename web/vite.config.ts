import { defineConfig } from "vitest/config";
import { pwa } from "./pwa.mjs";

// Where `npm run dev` finds the server.
const server = process.env.SYMBOLON_DEV_SERVER ?? "http://localhost:8080";

export default defineConfig({
  base: "/",
  // Preact's JSX is compiled by Vite itself; no plugin is needed.
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [pwa()],
  build: {
    target: "es2022",
    outDir: "dist",
    // dist keeps its .gitkeep, without which a fresh clone could not be compiled by Go;
    // clean.mjs empties the rest before a build.
    emptyOutDir: false,
    assetsDir: "assets",
    // Everything is a file of its own: the pages are served without inline scripts, styles or data addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: true,
    rolldownOptions: { input: { desk: "index.html", phone: "h.html", review: "review.html", diagnose: "diagnose.html" } },
  },
  server: {
    // The lists that server and pages share are beside this folder.
    fs: { allow: [".."] },
    proxy: {
      "/v1": { target: server, changeOrigin: true, ws: true },
      "/trust": { target: server, changeOrigin: true },
    },
  },
  test: { environment: "node", include: ["test/**/*.test.ts", "test/**/*.test.tsx"] },
});
