/** Address of the page where the keys of model providers are set for a collection. */
export const environmentHref = (collection: string): string =>
  `/${encodeURIComponent(collection)}/-/settings/environment`
