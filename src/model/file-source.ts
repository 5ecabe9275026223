/** A file whose bytes are read when they are wanted, once. `size` is in bytes. */
export interface FileSource {
  name: string
  content_type: string
  size: number
  open(): AsyncIterable<Uint8Array>
}
