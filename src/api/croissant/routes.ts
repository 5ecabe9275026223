import { reportCroissant } from '../../croissant/report.ts'
import { implement, type Route } from '../../http/implement.ts'
import { invalidField } from '../../lib/errors.ts'
import { croissantContract } from './contract.ts'

/** Validates Croissant files; nothing is stored, and nothing is fetched. */
export const croissantRoutes = (): Route[] =>
  implement(croissantContract, {
    validateCroissant: async ({ files }) => {
      const [file] = files
      if (!file?.bytes) {
        const message = "The request has no file; send it as multipart/form-data, with curl: -F 'file=@metadata.json'"
        throw invalidField(['body', 'file'], message, 'missing')
      }
      return reportCroissant(file.name, file.bytes)
    },
  })
