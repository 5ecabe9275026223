import type { LinesLimits } from './parquet-lines.ts'
import type { Preview, PreviewFailed, PreviewLimits } from './preview.ts'

/** What the server sends to the process of a preview. */
export type ToPreviewProcess =
  | { kind: 'preview'; name: string; size: number; limits: PreviewLimits }
  | { kind: 'lines'; name: string; size: number; limits: LinesLimits }
  | { kind: 'bytes'; id: number; bytes: Uint8Array }
  | { kind: 'unreadable'; id: number }

/** What the process of a preview sends to the server: it reads the file only through the server. */
export type FromPreviewProcess =
  | { kind: 'read'; id: number; start: number; end: number }
  | { kind: 'previewed'; preview: Preview }
  | { kind: 'text'; text: string }
  | { kind: 'ended' }
  | { kind: 'failed'; reason: PreviewFailed['reason']; message: string }
