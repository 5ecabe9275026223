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
export interface Finding extends Site {
  message: string
  /** Of a warning: the check counts it as an error, since the run does something else than the definition says. */
  isFault?: boolean
}

export type Report = (message: string, site?: Site) => void

/** The way from a member to a value inside of it, innermost first: made for each value, and read for a faulty one. */
export interface Inside {
  segment: string | number
  outer: Inside | undefined
}

/** Reports a finding about a value inside of the reported one. */
export const reportInside = (report: Report, inside: Inside | undefined, message: string, site?: Site): void => {
  const way: (string | number)[] = []
  for (let step = inside; step; step = step.outer) way.push(step.segment)
  report(message, way.length === 0 ? site : { ...site, inside: way.reverse() })
}

/** Appends `; did you mean 'x'?` when a near name is known. */
export const question = (meant: string | undefined): string => (meant === undefined ? '' : `; did you mean '${meant}'?`)

/** Joins the first findings into one sentence for an error. */
export const joinMessages = (remarks: readonly Finding[], most = remarks.length): string =>
  remarks
    .slice(0, most)
    .map(({ message }) => message)
    .join('; ')
