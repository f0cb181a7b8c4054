/** What this browser says of itself: coarse, only to be shown to the person at the desk. */
import type { Device } from "../shared/types";

/** An app with a browser inside that cannot use the camera well. */
export type App = "wechat" | "alipay" | "other";

/** Which in-app browser this is, or null for a real one. */
export function appOf(agent: string): App | null {
  if (/MicroMessenger/i.test(agent)) return "wechat";
  if (/AlipayClient/i.test(agent)) return "alipay";
  const others =
    /\bFBA[NV]\b|Instagram|\bLine\/|DingTalk|\bQQ\/|Weibo|aweme|TikTok|musical_ly|BytedanceWebview|NewsArticle|Lark\/|Feishu|Snapchat|Twitter for|LinkedInApp|Pinterest\/|; wv\)/i;
  return others.test(agent) ? "other" : null;
}

/** Kind, system and browser by name. */
export function deviceOf(agent: string, touchPoints = 0): Device {
  const tablet = /iPad|Tablet|PlayBook|Silk/.test(agent) || (/Macintosh/.test(agent) && touchPoints > 1) || (/Android/.test(agent) && !/Mobile/.test(agent));
  const phone = !tablet && /iPhone|iPod|Android|HarmonyOS|OpenHarmony|Mobile/.test(agent);
  return { kind: tablet ? "tablet" : phone ? "phone" : "computer", os: osOf(agent, touchPoints), browser: browserOf(agent) };
}

function osOf(agent: string, touchPoints: number): string {
  if (/HarmonyOS|OpenHarmony/.test(agent)) return "HarmonyOS";
  if (/iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && touchPoints > 1)) return "iOS";
  if (/Android/.test(agent)) return "Android";
  if (/Windows/.test(agent)) return "Windows";
  if (/Mac OS X/.test(agent)) return "macOS";
  if (/Linux|CrOS/.test(agent)) return "Linux";
  return "unknown";
}

function browserOf(agent: string): string {
  const names: [RegExp, string][] = [
    [/MicroMessenger/i, "WeChat"],
    [/AlipayClient/i, "Alipay"],
    [/HuaweiBrowser/, "Huawei Browser"],
    [/MiuiBrowser/, "Mi Browser"],
    [/MQQBrowser|QQBrowser/, "QQ Browser"],
    [/UCBrowser/, "UC Browser"],
    [/SamsungBrowser/, "Samsung Internet"],
    [/Edg(A|iOS)?\//, "Edge"],
    [/OPR\/|Opera/, "Opera"],
    [/Firefox|FxiOS/, "Firefox"],
    [/HeadlessChrome|Chrome|CriOS/, "Chrome"],
    [/Safari/, "Safari"],
  ];
  return names.find(([pattern]) => pattern.test(agent))?.[1] ?? "unknown";
}
