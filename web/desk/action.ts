// One thing that a press starts: busy while it runs, and the words of what went wrong.
import { useEffect, useRef, useState } from "preact/hooks";
import { problemText } from "../shared/problems";
import { useDesk } from "./desk";

export interface Action {
  busy: boolean;
  error: unknown;
  /** The error in words, empty where there is none. Made anew with every drawing, so the language may change. */
  text: string;
  run: (work: () => Promise<unknown>) => void;
  clear: () => void;
}

export function useAction(): Action {
  const { failed } = useDesk();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => void (here.current = false);
  }, []);
  return {
    busy,
    error,
    text: error === undefined ? "" : problemText(error),
    clear: () => setError(undefined),
    run: (work) => {
      setBusy(true);
      setError(undefined);
      work()
        .catch((err) => {
          failed(err);
          if (here.current) setError(err);
        })
        .finally(() => here.current && setBusy(false));
    },
  };
}
