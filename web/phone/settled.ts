/** Guards the buttons of a screen against a tap that was meant for the one before it. */
import { useEffect, useState } from "preact/hooks";

/** How long a screen has to be there until somebody can have seen what they tap. */
const SEEN = 500;

/** False until what `id` names has been on the screen for half a second. */
export function useSettled(id: string | undefined): boolean {
  const [seen, setSeen] = useState<{ id: string | undefined } | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => setSeen({ id }), SEEN);
    return () => clearTimeout(timer);
  }, [id]);
  return seen !== null && seen.id === id;
}
