/** The part of a resolved call target that transport, redaction and error messages need. */
export interface Upstream {
  provider: {
    /** Shown in messages. */
    name: string
    /** Variables that may hold the key. */
    keys: readonly string[]
    base_url_variable?: string
    /** It states the usage of every streamed chat, asked or not. */
    counts_streams?: true
  }
  /** The name that the provider uses. */
  model: string
  url: string
  base_url: string
  key?: string
}
