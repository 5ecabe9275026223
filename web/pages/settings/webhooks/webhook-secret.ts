const secretBytes = 32

/** A new random secret, in hex. */
export const newWebhookSecret = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(secretBytes)), (byte) => byte.toString(16).padStart(2, '0')).join('')
