// The regions that resident ID numbers begin with, from the table of package checks. It is large: import this file when it is needed.
import table from "../../checks/regions.txt?raw";
import type { Region } from "./resident-id";

const abandonedBy = new Map<string, number>();
for (const line of table.trim().split("\n")) {
  const [prefecture = "", ...rest] = line.split(" ");
  for (const word of rest) abandonedBy.set(prefecture + word.slice(0, 2), Number(word.slice(3)));
}

/** What the lists say of six digits. */
export function regionOf(code: string): Region {
  const year = abandonedBy.get(code);
  if (year === undefined) return { warning: "region_unknown" };
  return year === 0 ? {} : { warning: "region_abandoned", abandonedBy: year };
}
