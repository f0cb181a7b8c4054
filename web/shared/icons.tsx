// One sprite of line icons on a 24 px grid, 1.75 px stroke, round ends.
import type { JSX } from "preact";

const shapes = {
  person: <><circle cx="12" cy="8" r="4" /><path d="M4.5 20.5c.6-4 3.6-6.5 7.5-6.5s6.9 2.5 7.5 6.5" /></>,
  "id-front": <><rect x="2.5" y="5" width="19" height="14" rx="2.5" /><circle cx="16" cy="10.5" r="2" /><path d="M12.8 16c.5-1.7 1.7-2.5 3.2-2.5s2.7.8 3.2 2.5M6 9.5h4M6 12.5h4M6 15.5h3" /></>,
  "id-back": <><rect x="2.5" y="5" width="19" height="14" rx="2.5" /><path d="M7.5 8l.8 1.7 1.9.2-1.4 1.3.4 1.9-1.7-1-1.7 1 .4-1.9-1.4-1.3 1.9-.2zM13.5 9.5H18M13.5 12.5H18M6 16h12" /></>,
  face: <><path d="M4 8V6a2 2 0 0 1 2-2h2M16 4h2a2 2 0 0 1 2 2v2M20 16v2a2 2 0 0 1-2 2h-2M8 20H6a2 2 0 0 1-2-2v-2" /><path d="M9 10v.5M15 10v.5M12 10v2.5h-1M9.2 15.2c.8.7 1.7 1 2.8 1s2-.3 2.8-1" /></>,
  clip: <><rect x="2.5" y="6" width="13" height="12" rx="2.5" /><path d="M15.5 10.5l6-3v9l-6-3z" /></>,
  check: <path d="M4.5 12.5l5 5 10-11" />,
  again: <><path d="M20 11a8 8 0 1 0-1.5 6" /><path d="M20 5v6h-6" /></>,
  phone: <><rect x="6.5" y="2.5" width="11" height="19" rx="2.5" /><path d="M11 18.5h2" /></>,
  computer: <><rect x="3" y="4" width="18" height="12" rx="2" /><path d="M8.5 20h7M12 16v4" /></>,
  wifi: <><path d="M2.5 9.5a14 14 0 0 1 19 0M5.8 13a9 9 0 0 1 12.4 0M9 16.4a4.5 4.5 0 0 1 6 0" /><path d="M12 19.6v.1" /></>,
  clock: <><circle cx="12" cy="12" r="9" /><path d="M12 7v5.2l3.2 2" /></>,
  lock: <><rect x="5" y="10.5" width="14" height="10" rx="2.5" /><path d="M8 10.5V8a4 4 0 0 1 8 0v2.5M12 14.5v2" /></>,
  eye: <><path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z" /><circle cx="12" cy="12" r="3" /></>,
  warning: <><path d="M12 3.5l9.5 16.5h-19z" /><path d="M12 10v4.5M12 17.3v.1" /></>,
  mail: <><rect x="2.5" y="5" width="19" height="14" rx="2.5" /><path d="M3.5 7l8.5 6.5L20.5 7" /></>,
  close: <path d="M6 6l12 12M18 6L6 18" />,
  more: <path d="M5 12h.1M12 12h.1M19 12h.1" class="dots" />,
  sound: <><path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z" /><path d="M15.5 9a4.5 4.5 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11" /></>,
} satisfies Record<string, JSX.Element>;

export type IconName = keyof typeof shapes;
/** The icon of a step, by what is captured in it. */
export function stepIcon(step: { id: string; kind: string }): IconName {
  if (step.kind === "clip" || step.kind === "face") return step.kind;
  return step.id === "document_back" ? "id-back" : "id-front";
}

export const iconNames = Object.keys(shapes) as IconName[];

/** The sprite; render it once a page, before any Icon. */
export function Sprite() {
  return (
    <svg class="sprite" aria-hidden="true" focusable="false">
      {iconNames.map((n) => (
        <symbol key={n} id={`i-${n}`} viewBox="0 0 24 24">{shapes[n]}</symbol>
      ))}
    </svg>
  );
}

/** An icon. It is decoration: the words stand beside it or in the aria-label of its control. */
export function Icon({ name, small }: { name: IconName; small?: boolean }) {
  return (
    <svg class={small ? "icon icon-small" : "icon"} aria-hidden="true" focusable="false">
      <use href={`#i-${name}`} />
    </svg>
  );
}
