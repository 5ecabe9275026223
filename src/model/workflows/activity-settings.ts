/** Server settings that apply to steps. */
export interface ActivitySettings {
  /** Maximum size of a stored file sent to a model; bytes. */
  modelFileBytes: number
  /** Maximum files that one step stores from a model's output, or shows to a model. */
  mediaFiles: number
  /** Default model of image steps. */
  geminiImageModel: string
  /** Maximum `init_params` of a child run; bytes. */
  initParamsBytes: number
  /** Maximum iterations of one loop. */
  loopTurns: number
  /** Maximum numbers of one sequence. */
  sequenceNumbers: number
  /**
   * Limits of a chat step with tools, unless it says others: calls of its model and of tools, tokens, and dollars. A result above
   * `resultCharacters` is cut before the model gets it.
   */
  toolLimits: { turns: number; calls: number; tokens: number; costUsd: number; resultCharacters: number }
  /** Largest limits that a `sql` step may ask for. */
  sqlLimits: { seconds: number; rows: number; bytes: number }
  /** Limits of what transforms, parses and renders: seconds and bytes of memory of its process, and bytes of an input. */
  transformLimits: { seconds: number; memoryBytes: number; inputBytes: number }
  /** Time for reading the expressions of a definition when it is checked. */
  checkSeconds: number
}
