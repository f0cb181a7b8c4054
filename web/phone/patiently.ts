import { NoAnswer, Problem } from "../shared/api";
import { backOff, pause } from "../shared/wait";

/** Repeats a safe call while the network or the server is away. */
export async function patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      const passing = error instanceof NoAnswer || (error instanceof Problem && (error.status >= 500 || error.status === 429));
      if (!passing) throw error;
      await pause(Math.max(backOff(attempt), error instanceof Problem ? error.retryAfter * 1000 : 0), signal);
    }
  }
}
