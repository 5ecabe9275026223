import type { AppError } from '../lib/errors.ts'
import type { ByteBudget } from '../lib/memory/byte-budget.ts'
import type { Identity } from '../model/collections/identity.ts'
import type { AuditTrail } from './audit.ts'
import type { AccessChecks } from './authorise.ts'
import type { Route } from './implement.ts'
import type { FileSink } from './input/multipart.ts'
import type { Pages } from './pages/pages.ts'
/** Counts answers. Called for every request, so it must be fast. */
export interface RequestObserver {
  /** A connection was closed at once: there are as many as may be. */
  connectionRefused(): void
  /** `operation` is `none` where the path leads to no operation; a stream counts when its headers are sent. */
  answered(operation: string, status: number, seconds: number): void
  /** A stream of events began; the function is called once, when it has ended. */
  streaming(): () => void
}

/** The settings that HTTP reads. */
export interface HttpSettings {
  publicUrl: string | undefined
  maxBodyBytes: number
  maxBodyValues: number
  maxUploadBytes: number
  maxFilesPerRun: number
  maxInitParamsBytes: number
}

/** The part of a pino logger that HTTP uses. */
export interface HttpLog {
  isLevelEnabled(level: string): boolean
  debug(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}

/** Everything that an HTTP server is made from. */
export interface HttpOptions extends AccessChecks {
  routes: Route[]
  settings: HttpSettings
  log: HttpLog
  /** Records changes. Without it they are not recorded. */
  audit?: AuditTrail
  /** Stores the file parts of forms. */
  files?: FileSink
  /** Resolves once answers show every gateway call that was answered before; undefined if they do already. */
  recorded?: (collections?: readonly number[]) => Promise<void> | undefined
  /** Limits the memory that large request bodies and answers take together. Without it nothing is counted. */
  memory?: ByteBudget
  observer?: RequestObserver
  /** Calls back when another process may have changed keys, collections or tasks, and when no further change is heard of. */
  onAccessChange?(hear: (isListening: boolean) => void): void
  /** Calls `end` when a caller may do less than when it was admitted. Returns what ends the watch. */
  watchAccess?(identity: Identity, admittedMs: number, end: (why: AppError) => void): () => void
  /** Answers browsers where no route does. */
  pages?: Pages
  /** The most connections at once. */
  connections?: number
  /** Checks each answer against the contract. Tests only. */
  checkAnswers?: boolean
}
