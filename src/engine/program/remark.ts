/** Where in a workflow something was found, and what its writer may have meant. */
export interface Site {
  step?: string | undefined
  /** Member of the step's config, or of the workflow where no step is named; deeper ones joined by dots. */
  key?: string | undefined
  /** The known name that is nearest to an unknown one. */
  meant?: string | undefined
}

/** What the compiler says about a workflow: a problem keeps it from running, a warning does not. */
export interface Remark extends Site {
  message: string
}

export type Report = (message: string, site?: Site) => void

/** Says ` Did you mean 'x'?` where something near is known. */
export const question = (meant: string | undefined): string => (meant === undefined ? '' : `; did you mean '${meant}'?`)

/** Joins the first remarks into one sentence for an error. */
export const joinMessages = (remarks: readonly Remark[], most = remarks.length): string =>
  remarks
    .slice(0, most)
    .map(({ message }) => message)
    .join('; ')
