/** Settings of the server that steps go by. */
export interface ActivitySettings {
  /** Largest stored file that a model is sent; bytes. */
  modelFileBytes: number
  /** Most files that one step keeps of what a model has made, or shows to one. */
  mediaFiles: number
  /** The model that makes images where a step names none. */
  geminiImageModel: string
  /** Largest `init_params` of a run that a step starts; bytes. */
  initParamsBytes: number
  /** Most turns that one loop may have. */
  loopTurns: number
  /** Most numbers that one sequence may have. */
  sequenceNumbers: number
}
