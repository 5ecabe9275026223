import { z } from 'zod'

/** The delimiter of a CSV file that a request sends or names. */
export const csvDelimiterSchema = z
  .enum(['comma', 'semicolon', 'tab', 'pipe'])
  .optional()
  .describe(
    'Delimiter of CSV. Default: the one that gives the header line and each of the next ten rows the same number of cells, and the most of them.',
  )
