import { makeCroissantReporter } from '../../datasets/croissant/run-report.ts'
import { implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { invalidField } from '../../lib/errors.ts'
import { makeProcessQueue } from '../../lib/processes/process-queue.ts'
import { makeSlots } from '../../lib/slots.ts'
import { ownerOfCaller } from '../../model/collections/identity.ts'
import { croissantContract } from './contract.ts'

export interface CroissantDeps {
  settings: { previewSeconds: number; previewMemoryBytes: number }
}

/** Anybody may validate: with one process, others keep the processor, and previews keep their processes. */
const mostWaiting = 100

/** Validates Croissant files; nothing is stored, and nothing is fetched. */
export const croissantRoutes = ({ settings }: CroissantDeps): Route[] => {
  const inQueue = makeProcessQueue(makeSlots({ total: 1 }), mostWaiting) // the process answers one after the other
  const limits = { seconds: settings.previewSeconds, memoryBytes: settings.previewMemoryBytes }
  const report = makeCroissantReporter(limits)
  return implement(croissantContract, {
    validateCroissant: async ({ files, identity }) => {
      const [file] = files
      if (!file?.bytes) {
        const message = "The request has no file; send it as multipart/form-data, with curl: -F 'file=@metadata.json'"
        throw invalidField(['body', 'file'], message, 'missing')
      }
      const sent = { filename: file.name, bytes: file.bytes }
      return rawJson(await inQueue(ownerOfCaller(identity), () => report(sent)))
    },
  })
}
