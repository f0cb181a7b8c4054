// The two halves of one token: the product's only drawing. It is the mark, the progress of a
// level, the pairing of desk and phone, their link, and the receipt.
import type { ComponentChildren } from "preact";

const DESK = "M23 4a20 20 0 0 0 0 40l4-8-7-7 6-8-7-9z";
const PHONE = "M25 4a20 20 0 0 1 0 40l4-8-7-7 6-8-7-9z";

/** How a token is drawn; "mark" is both halves filled. */
export type TokenState = "mark" | "locked" | "open" | "checking" | "approved" | "again";

/** A token in one of its states. It says nothing by itself: put a word beside it. */
export function Token({ state = "mark", size = "m" }: { state?: TokenState; size?: "s" | "m" | "l" | "xl" }) {
  return (
    <svg class={`token token-${state} token-${size}`} viewBox="0 0 48 48" aria-hidden="true" focusable="false">
      <path class="half desk" d={DESK} />
      <path class="half phone" d={PHONE} />
      {state === "again" ? <circle class="notch" cx="40" cy="8" r="6" /> : null}
    </svg>
  );
}

/** Desk and phone: joined while the phone is here, a little apart while it is away. */
export function LinkMark({ here }: { here: boolean }) {
  return (
    <svg class={`token token-m link-mark ${here ? "joined" : "apart"}`} viewBox="0 0 48 48" aria-hidden="true" focusable="false">
      <path class="half desk" d={DESK} />
      <path class="half phone" d={PHONE} />
    </svg>
  );
}

/**
 * The pairing: the desk's filled left half and the phone's outlined right half. `children` lies
 * on it (the number at the desk, the two digit boxes on the phone). `joined` slides them together.
 */
export function PairToken({ joined = false, side, children }: { joined?: boolean; side: "desk" | "phone"; children?: ComponentChildren }) {
  return (
    <div class={`pair pair-${side} ${joined ? "joined" : "apart"}`} data-test="pair" data-joined={joined}>
      <svg viewBox="0 0 48 48" aria-hidden="true" focusable="false">
        <path class="half desk" d={DESK} />
        <path class="half phone" d={PHONE} />
      </svg>
      {children ? <div class="pair-on">{children}</div> : null}
    </div>
  );
}
