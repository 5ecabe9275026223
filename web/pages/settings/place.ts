/** The collection that a page of settings is about. */
export interface CollectionPlace {
  collection: string
}
