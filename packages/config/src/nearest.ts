/** Edits (insert, delete, replace) that turn one word into the other. */
export const editDistance = (from: string, to: string): number => {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[to.length] ?? 0;
};

/** The known word most like the given one, if it is like it at all (a third of it may differ). */
export const nearest = (word: string, known: readonly string[]): string | undefined => {
  let best: { word: string; distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(word.toUpperCase(), candidate);
    if (distance <= candidate.length / 3 && (best === undefined || distance < best.distance))
      best = { word: candidate, distance };
  }
  return best?.word;
};
