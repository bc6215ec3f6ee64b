// mailauth, asked again and again as maildkim.pl is; to `seal` it also wants
// status and results.
'use strict';

const { arc, sealMessage } = require('mailauth/lib/arc');
const { dkimSign } = require('mailauth/lib/dkim/sign');
const { dkimVerify } = require('mailauth/lib/dkim/verify');
const fs = require('node:fs');
const readline = require('node:readline');

const tasks = {
    verify: async (message, { zone }) => {
        const resolver = async name => {
            const text = zone[name.toLowerCase()];
            if (text) {
                return [[text]];
            }
            const code = text === null ? 'ETIMEOUT' : 'ENOTFOUND';
            throw Object.assign(new Error(code), { code });
        };
        const found = await dkimVerify(message, { resolver });
        const { status } = await arc(found.arc, { resolver });
        return {
            arc: status.result,
            detail: status.comment || '',
            dkim: found.results
                .filter(each => each.signingDomain)
                .map(each => ({
                    domain: each.signingDomain,
                    selector: each.selector,
                    result: each.status.result,
                    detail: each.status.comment || ''
                }))
        };
    },
    seal: async (message, { domain, selector, key, status, results }) => {
        const fields = await sealMessage(message, {
            signingDomain: domain,
            selector,
            privateKey: key,
            cv: status,
            authResults: results
        });
        return { fields: fields.toString('latin1') };
    },
    sign: async (message, { domain, selector, key, forms }) => {
        const made = await dkimSign(message, {
            canonicalization: forms,
            signatureData: { signingDomain: domain, selector, privateKey: key }
        });
        return { fields: made.signatures };
    }
};

const main = async () => {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const asked = JSON.parse(line);
        let said;
        try {
            said = await tasks[asked.do](fs.readFileSync(asked.path), asked);
        } catch (error) {
            said = { error: String(error) };
        }
        process.stdout.write(JSON.stringify(said) + '\n');
    }
};

main();
