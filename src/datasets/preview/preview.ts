/** A cell of a preview: JSON, with long texts cut. */
export type PreviewCell = string | number | boolean | null | PreviewCell[] | { [key: string]: PreviewCell }

export interface PreviewColumn {
  name: string
  type: 'text' | 'integer' | 'number' | 'boolean' | 'datetime' | 'object' | 'list' | 'mixed' | 'empty' | 'skipped'
  /** How many of the shown rows have no value, and how many different ones the others have. */
  nulls: number
  distinct: number
  min: string | number | null
  max: string | number | null
}

/** The first rows of a file. Facts about columns are those of the rows shown. */
export interface Preview {
  format: string
  columns: PreviewColumn[]
  rows: PreviewCell[][]
  /** How many rows the file has, where it says so. */
  row_count: number | null
  /** Whether the file has more than is shown. */
  truncated: boolean
  /** Members of an archive. The rows are those of the first that can be shown. */
  members: { name: string; size: number }[]
  /** The member that is shown. */
  member: string | null
}

/** What a preview may use. */
export interface PreviewLimits {
  rows: number
  columns: number
  cellCharacters: number
  /** The first bytes of a text that are looked at. */
  sampleBytes: number
  /** What may be unpacked of parquet pages and archives. */
  unpackedBytes: number
  members: number
}

export const previewLimits: PreviewLimits = {
  rows: 100,
  columns: 200,
  cellCharacters: 1_000,
  sampleBytes: 1024 * 1024,
  unpackedBytes: 32 * 1024 * 1024,
  members: 1_000,
}

/** A file that is read by ranges. */
export interface PreviewSource {
  name: string
  size: number
  /** Reads from `start` up to `end`, which is not read; less at the end of the file. */
  read(start: number, end: number): Promise<Uint8Array>
}

/** A file that cannot be shown, with the reason. */
export class PreviewFailed extends Error {
  readonly reason: 'unsupported' | 'invalid' | 'too_large' | 'timeout' | 'memory'

  constructor(reason: PreviewFailed['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}
