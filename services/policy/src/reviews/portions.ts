/** The items in their order, in portions that come to at most `max` together; what alone is more is one of its own. */
export const portionsOf = <T>(
  items: readonly T[],
  sizeOf: (item: T) => number,
  max: number,
): readonly (readonly T[])[] => {
  const portions: T[][] = [];
  let room = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (size > room) {
      portions.push([]);
      room = max;
    }
    portions.at(-1)?.push(item);
    room -= size;
  }
  return portions;
};
