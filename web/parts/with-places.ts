/** Pairs each element of a list with its place: a key for lists whose elements have no other identity. */
export const withPlaces = <Element>(list: readonly Element[]): { element: Element; place: number }[] =>
  list.map((element, place) => ({ element, place }))
