/** The parameters of a step as its config has them, before a run. */
export interface StepParameters {
  /** Values that are written out; defaults are not filled in. */
  literal: Readonly<Record<string, unknown>>
  /** Whether a parameter is given, also by a path. */
  has(name: string): boolean
}

/** A fault of a step's config at one of its parameters. */
export interface ParameterFault {
  parameter: string
  message: string
  hint?: string
}
