/** A file whose bytes can be read once, on demand. `size` is in bytes. */
export interface FileSource {
  name: string
  content_type: string
  size: number
  open(): AsyncIterable<Uint8Array>
}
