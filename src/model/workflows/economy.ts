/** `batch`: through the batch interface of the provider, at its price. `standard`: at once. */
export const economies = ['standard', 'batch'] as const
export type Economy = (typeof economies)[number]
