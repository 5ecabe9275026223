// The same as in tools.fast.test.ts, twenty times at one step: more deaths than a step without progress survives.
import { killInEachTurn } from './harness/tool-kills.ts'

killInEachTurn(20)
