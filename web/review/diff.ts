// Two values of the same thing, character by character.

/** A stretch of a value; differs is true where the other one has something else. */
export interface Mark { text: string; differs: boolean }

/** Marks what differs in both values. What has to be put in or left out to turn one into the other is as little as can be. */
export function marks(a: string, b: string): { a: Mark[]; b: Mark[]; at: number[] } {
  const x = [...a], y = [...b];
  // The longest common subsequence; values here are short.
  const long: number[][] = Array.from({ length: x.length + 1 }, () => new Array<number>(y.length + 1).fill(0));
  for (let i = x.length - 1; i >= 0; i--) {
    for (let j = y.length - 1; j >= 0; j--) {
      const row = long[i] as number[], next = long[i + 1] as number[];
      row[j] = x[i] === y[j] ? (next[j + 1] as number) + 1 : Math.max(next[j] as number, row[j + 1] as number);
    }
  }
  const inA: Mark[] = [], inB: Mark[] = [], at: number[] = [];
  const put = (to: Mark[], text: string, differs: boolean) => {
    const last = to.at(-1);
    if (last && last.differs === differs) last.text += text;
    else to.push({ text, differs });
  };
  let i = 0, j = 0;
  while (i < x.length || j < y.length) {
    if (i < x.length && j < y.length && x[i] === y[j]) {
      put(inA, x[i] as string, false);
      put(inB, y[j] as string, false);
      i++;
      j++;
    } else if (j >= y.length || (i < x.length && ((long[i + 1] as number[])[j] as number) >= ((long[i] as number[])[j + 1] as number))) {
      at.push(i + 1);
      put(inA, x[i++] as string, true);
    } else {
      if (at.at(-1) !== i && at.at(-1) !== i + 1) at.push(i + 1);
      put(inB, y[j++] as string, true);
    }
  }
  return { a: inA, b: inB, at: [...new Set(at)].sort((p, q) => p - q) };
}

/** A value as it is compared: letters' size, width and spaces do not count, a day's dashes neither. */
export function compared(value: string): string {
  return value.normalize("NFKC").toUpperCase().replace(/[\s\-/.]/g, "");
}
