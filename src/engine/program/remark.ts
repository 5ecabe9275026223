/** The location of a finding in a workflow, and the probable intention. */
export interface Site {
  step?: string | undefined
  /** Member of the step's config, or of the workflow when no step is named; a list for a nested one. */
  key?: string | readonly string[] | undefined
  /** Names and indices that lead from that member to the faulty value. */
  inside?: readonly (string | number)[] | undefined
  /** Known name nearest to an unknown one. */
  meant?: string | undefined
  /** The remedy. */
  hint?: string | undefined
}

/** A finding of the compiler: a problem prevents running, a warning does not. */
export interface Remark extends Site {
  message: string
  /** Of a warning: the check counts it as an error, since the run does something else than the definition says. */
  isFault?: boolean
}

export type Report = (message: string, site?: Site) => void

/** Makes a report for a value at `segment` inside the reported one. */
export const reportInside =
  (report: Report, segment: string | number): Report =>
  (message, site) =>
    report(message, { ...site, inside: [segment, ...(site?.inside ?? [])] })

/** Appends `; did you mean 'x'?` when a near name is known. */
export const question = (meant: string | undefined): string => (meant === undefined ? '' : `; did you mean '${meant}'?`)

/** Joins the first findings into one sentence for an error. */
export const joinMessages = (remarks: readonly Remark[], most = remarks.length): string =>
  remarks
    .slice(0, most)
    .map(({ message }) => message)
    .join('; ')
