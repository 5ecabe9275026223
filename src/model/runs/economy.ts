import { z } from 'zod'
import { economies } from '../workflows/economy.ts'

/** As the body of a start has it. */
export const economySchema = z
  .enum(economies)
  .optional()
  .describe(
    '`batch`: steps that ask a model wait for the batch interface of its provider, which answers within a day at about half the price. Steps whose `options` name an `economy` keep it. Default: `standard`.',
  )
