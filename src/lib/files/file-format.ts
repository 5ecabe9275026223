/** Extension (no dot) and content type. */
export interface FileFormat {
  ext: string
  mime: string
}

/** What a file's bytes give themselves away as; undefined for plain text. */
export const fileFormatOf = async (bytes: Uint8Array): Promise<FileFormat | undefined> => {
  // Loaded when it is first needed: it costs a start-up 50 ms.
  const { fileTypeFromBuffer } = await import('file-type')
  return fileTypeFromBuffer(bytes).catch(() => undefined)
}
