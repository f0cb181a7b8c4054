import type { Plugin } from "vite";
/** Makes the phone's page an app that can be installed. */
export function pwa(): Plugin;
