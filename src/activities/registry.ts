import type { Activity, ActivityRegistry } from './activity.ts'
import { runbook } from './agent/runbook.ts'
import { geminiPrompt } from './chat/gemini-prompt.ts'
import { litellmChat } from './chat/litellm-chat.ts'
import { litellmVision } from './chat/litellm-vision.ts'
import { conditionalBranch, conditionalStep } from './control/conditional-branch.ts'
import { extractFromTrajectories } from './control/extract-from-trajectories.ts'
import { listEmitAwait } from './control/list-emit-await.ts'
import { loopCounter } from './control/loop-counter.ts'
import { numberSequenceGenerator } from './control/number-sequence-generator.ts'
import { runWorkflow } from './control/run-workflow.ts'
import { sleep } from './control/sleep.ts'
import { waitForApproval } from './control/wait-for-approval.ts'
import { waitForEvent } from './control/wait-for-event.ts'
import { labelRun } from './data/label-run.ts'
import { pinnedOutputs } from './data/pinned-outputs.ts'
import { registerDataset } from './data/register-dataset.ts'
import { registerModel } from './data/register-model.ts'
import { webhookNotify } from './data/webhook-notify.ts'
import { litellmEmbeddings } from './embeddings/litellm-embeddings.ts'
import { downloadImage } from './files/download-image.ts'
import { readTextFile } from './files/read-text-file.ts'
import { readUploadedFile } from './files/read-uploaded-file.ts'
import { saveTextFile } from './files/save-text-file.ts'
import { selectFiles } from './files/select-files.ts'
import { httpRequest } from './http/http-request.ts'
import { addImageMetadata } from './image/add-image-metadata.ts'
import { evaluationSubjects } from './judge/evaluation-subjects.ts'
import { judgeMaterial } from './judge/judge-material.ts'
import { simpleJudge } from './judge/simple-judge.ts'
import { geminiImageGenerator } from './media/gemini-image-generator.ts'
import { litellmImageGeneration } from './media/litellm-image-generation.ts'
import { replicateRun } from './media/replicate-run.ts'
import { replicateText2Image } from './media/replicate-text2image.ts'
import { replicateText2Video } from './media/replicate-text2video.ts'
import { script } from './script/script.ts'
import { filterItems, groupItems, joinItems, sortItems, uniqueItems } from './shaping/list-activities.ts'
import { parseDocumentStep } from './shaping/parse.ts'
import { renderDocument } from './shaping/render.ts'
import { transform } from './shaping/transform.ts'
import { sql } from './sql/sql.ts'
import { textConcatenate } from './text/text-concatenate.ts'
import { textEcho } from './text/text-echo.ts'
import { textSplit } from './text/text-split.ts'
import { textTemplate } from './text/text-template.ts'

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
