import type { Activity, ActivityRegistry } from './activity.ts'
import { runbook } from './agent/runbook.ts'
import { geminiPrompt, litellmChat, litellmVision } from './chat/chat-activities.ts'
import { conditionalBranch, conditionalStep, loopCounter } from './control/conditional-branch.ts'
import { extractFromTrajectories, listEmitAwait, numberSequenceGenerator } from './control/list-emit-await.ts'
import { runWorkflow } from './control/run-workflow.ts'
import { sleep, waitForApproval, waitForEvent } from './control/wait-activities.ts'
import { labelRun, pinnedOutputs, registerDataset, registerModel, webhookNotify } from './data/data-activities.ts'
import { litellmEmbeddings } from './embeddings/litellm-embeddings.ts'
import { downloadImage, readTextFile, readUploadedFile, saveTextFile, selectFiles } from './files/file-activities.ts'
import { httpRequest } from './http/http-request.ts'
import { evaluationSubjects, judgeMaterial, simpleJudge } from './judge/simple-judge.ts'
import { addImageMetadata, geminiImageGenerator, litellmImageGeneration } from './media/image-activities.ts'
import { replicateRun, replicateText2Image, replicateText2Video } from './media/replicate-activities.ts'
import { script } from './script/script.ts'
import { parseDocumentStep, renderDocument } from './shaping/document-activities.ts'
import { filterItems, groupItems, joinItems, sortItems, transform, uniqueItems } from './shaping/list-activities.ts'
import { sql } from './sql/sql.ts'
import { textConcatenate, textEcho, textSplit, textTemplate } from './text/text-activities.ts'

const all: Activity[] = [
  addImageMetadata,
  conditionalBranch,
  conditionalStep,
  downloadImage,
  evaluationSubjects,
  extractFromTrajectories,
  filterItems,
  geminiImageGenerator,
  geminiPrompt,
  groupItems,
  httpRequest,
  joinItems,
  judgeMaterial,
  labelRun,
  listEmitAwait,
  litellmChat,
  litellmEmbeddings,
  litellmImageGeneration,
  litellmVision,
  loopCounter,
  numberSequenceGenerator,
  parseDocumentStep,
  pinnedOutputs,
  readTextFile,
  readUploadedFile,
  registerDataset,
  registerModel,
  renderDocument,
  replicateRun,
  replicateText2Image,
  replicateText2Video,
  runbook,
  runWorkflow,
  saveTextFile,
  script,
  selectFiles,
  simpleJudge,
  sleep,
  sortItems,
  sql,
  textConcatenate,
  textEcho,
  textSplit,
  textTemplate,
  transform,
  uniqueItems,
  waitForApproval,
  waitForEvent,
  webhookNotify,
]

/** Every activity that comes with the server, by name. To add one: its file, and its two lines here. */
export const builtinActivities: ActivityRegistry = new Map(all.map((activity) => [activity.name, activity]))
