/** Extension (no dot) and content type. */
export interface FileFormat {
  ext: string
  mime: string
}

/** Detects a file's format from its bytes; undefined for plain text. */
export const fileFormatOf = async (bytes: Uint8Array): Promise<FileFormat | undefined> => {
  // Loaded on first use: it would cost 50 ms at start.
  const { fileTypeFromBuffer } = await import('file-type')
  return fileTypeFromBuffer(bytes).catch(() => undefined)
}
